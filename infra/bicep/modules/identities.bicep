metadata description = 'The two managed identities: one for the Function App, one for the nodes.'

import { identityIds, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Name of the identity of the Function App.')
param appIdentityName string

@description('Required. Name of the identity of the nodes.')
param poolIdentityName string

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: appIdentityName
  location: location
  tags: tags
}

resource pool 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: poolIdentityName
  location: location
  tags: tags
}

@description('Identity of the Function App.')
output app identityIds = {
  id: app.id
  clientId: app.properties.clientId
  principalId: app.properties.principalId
}

@description('Identity of the nodes.')
output pool identityIds = {
  id: pool.id
  clientId: pool.properties.clientId
  principalId: pool.properties.principalId
}
