"""The words of the bridge: identities, records, errors, back-off. Knows no library and does no I/O."""
