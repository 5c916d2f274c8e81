"""A Matrix bridge that turns every AI agent into a contact."""

__version__ = "0.2.0"
#: The commit of a release: `git archive` replaces the text between the dollar signs. A checkout keeps it.
__commit__ = "$Format:%H$"
