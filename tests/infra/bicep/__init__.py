"""Bicep read without its compiler: parse, check names, evaluate for one set of parameters, check rules of the services.

It knows the part of the language that `infra/bicep` uses and refuses the rest, so nothing is skipped in silence. It
knows no resource types. https://learn.microsoft.com/azure/azure-resource-manager/bicep/file
"""
