"""Fast versions of what `recon.field` defines; each has its plain version as its test."""
