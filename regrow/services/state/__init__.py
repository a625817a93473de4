"""The state as a whole: its databases and files, their versions, where they stand, a copy of them."""
