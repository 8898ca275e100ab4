"""The subcommands of ``magnum-lite``. Modules here import only click and the standard library when
they are loaded, so that ``--help`` and completion answer at once; the rest is imported by the function
that needs it.
"""
