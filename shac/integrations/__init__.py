"""Bridges to other libraries, and to the files of the ancestor."""
