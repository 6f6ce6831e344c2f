"""The lint of workflow code: what would not do the same on every replay, found by reading.

The files are in the order of what they build on: ``rules`` and ``names`` say what is looked for, ``program`` and ``scopes`` hold the code,
``resolving`` says what an expression stands for, ``effects``, ``variables``, ``sets`` and ``stops`` each know one kind of mistake,
``checking`` puts them to one function, and ``linter`` goes from the workflows to all that they call.
"""
