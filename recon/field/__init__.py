"""The field: a SIREN, its derivatives in closed form, and fast versions of both."""
