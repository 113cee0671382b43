"""`recon study`: what makes it work, shown rather than claimed. One file a study."""
