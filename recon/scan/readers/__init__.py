"""One file a format family; all end in `columns`."""
