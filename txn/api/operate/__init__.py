"""What operators do and look at, over HTTP: by the same calls as the command line and the admin site."""
