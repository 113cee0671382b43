"""Wave problems by finite differences: what solutions by fields are held against, and where synthetic
recordings come from.
"""
