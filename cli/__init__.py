"""The `surrogym` command: a thin front to the other packages."""
