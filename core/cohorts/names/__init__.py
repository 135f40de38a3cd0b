"""What the names of folders, files and columns mean: classes and people, as public sets spell them."""
