"""Scenes of any size: cut into blocks, each with a field of its own, blended, and meshed as one."""
