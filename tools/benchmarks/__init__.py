"""The commands of tools/benchmark.py, one module each.

A module's first lines import little: some of these commands are what is measured, in a process of their own,
and such a process loads the libraries of its method alone.
"""
