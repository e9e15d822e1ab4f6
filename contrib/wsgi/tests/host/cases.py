"""The behaviours that PEP 3333 asks of a server, each by its name.

Rules of these rooms (cases_*.py): a case is one sentence and one conversation; it fails by AssertionError, with what was seen; `good` cases
talk to applications that keep PEP 3333, and hold with wsgiref.validate in between.
"""

import cases_content
import cases_environ
import cases_head
import cases_input
import cases_wire

CASES = [*cases_environ.CASES, *cases_input.CASES, *cases_head.CASES, *cases_content.CASES, *cases_wire.CASES]
