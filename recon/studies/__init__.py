"""`recon study`: experiments that show what makes it work. One file a study."""
