"""What `azd up` runs besides the templates: checks, the node image, the app package, the trigger.

azure.yaml calls `python3 -m infra.hooks NAME` in the root of the project, on Linux, macOS and Windows. The modules need
Python 3.11 and the Azure CLI, and no package.
"""
