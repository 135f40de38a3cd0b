"""What an image shows: how it was made, as its file says it, and how its tissues look."""
