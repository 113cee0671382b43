"""Wave problems by finite differences: the references, and the source of synthetic recordings."""
