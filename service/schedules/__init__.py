"""When and how policies are trained again, and what became of it."""
