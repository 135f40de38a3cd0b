"""What a person asks for, from beginning to end; pages and command line call these and nothing below."""
