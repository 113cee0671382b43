"""What a hostile or unlucky user could give: scans, run folders, command lines. tools/fuzz.py tries them."""
