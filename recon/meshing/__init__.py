"""From a field to a mesh, and from a mesh to a file."""
