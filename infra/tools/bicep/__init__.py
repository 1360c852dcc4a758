"""The Bicep compiler: find it, talk to it, check the templates and their snapshots."""
