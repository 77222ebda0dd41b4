"""Hospital wards that overflow: a policy that starts from the best rule and is never worse."""
