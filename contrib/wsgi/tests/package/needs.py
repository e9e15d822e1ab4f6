"""A module that needs another one."""

import a_module_that_nobody_has  # noqa: F401
