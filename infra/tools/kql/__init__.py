"""Check of all Kusto queries, by the language service of Azure's own query editors."""
