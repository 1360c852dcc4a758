"""The web page: screens, their parts, and the files that browsers load."""
