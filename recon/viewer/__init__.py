"""`recon view`: windows, pictures and films of meshes, scans and runs."""
