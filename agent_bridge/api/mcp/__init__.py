"""The MCP server (Model Context Protocol): tools on the functions of the API."""
