"""Our surrogates against what a user would otherwise pick, on the same transitions."""
