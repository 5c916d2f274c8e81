"""The verbs: intake, lanes, relay, discovery, provisioner. Each acts on records from outside."""
