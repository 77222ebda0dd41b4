"""Pages for people, made on the server; scripts only keep them up to date."""
