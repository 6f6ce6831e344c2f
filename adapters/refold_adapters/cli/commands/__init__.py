"""The commands, one a module as ``command``; those of ``activity`` by what they are for."""
