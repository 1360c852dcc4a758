metadata description = 'The container registry that holds the node image.'

import { tagSet } from '../types.bicep'

@description('Required. Name of the registry.')
@minLength(5)
@maxLength(50)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Whether it is reached by private endpoint only; that needs the Premium tier.')
param isPrivate bool

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: isPrivate ? 'Premium' : 'Basic'
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    networkRuleBypassOptions: 'AzureServices'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

@description('Resource id.')
output id string = registry.id

@description('Name.')
output name string = registry.name

@description('Address of the registry, for image names.')
output loginServer string = registry.properties.loginServer
