metadata description = 'Two identities: the app thinks with one, the nodes paint with the other.'

import { identityIds, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Beginning of the names.')
param prefix string

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-app'
  location: location
  tags: tags
}

resource pool 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-pool'
  location: location
  tags: tags
}

@description('The Function App\'s identity.')
output app identityIds = {
  id: app.id
  clientId: app.properties.clientId
  principalId: app.properties.principalId
}

@description('The nodes\' identity.')
output pool identityIds = {
  id: pool.id
  clientId: pool.properties.clientId
  principalId: pool.properties.principalId
}
