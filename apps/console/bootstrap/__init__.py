"""A mesh declared in one file: what it may say (`document`), and making it so (`load`)."""
