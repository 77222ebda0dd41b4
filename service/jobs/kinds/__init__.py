"""What each kind of job does, one a file; `table` names them."""
