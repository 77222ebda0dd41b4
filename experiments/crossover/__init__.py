"""From which size on a surrogate pays, beside a simulator that is compiled as well."""
