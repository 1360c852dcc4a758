metadata description = 'Private endpoints and the private DNS zones that resolve them.'

import { dnsZoneKey, privateTarget, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Resource id of the virtual network that uses the zones.')
param vnetId string

@description('Required. Resource id of the subnet of the endpoints.')
param subnetId string

@description('Required. Resources that get an endpoint.')
param targets privateTarget[]

// The names of three zones are known only in the cloud of the deployment. Loops run over this list, so that their number
// is known beforehand.
var zoneKeys dnsZoneKey[] = ['blob', 'queue', 'table', 'batch', 'registry']
var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  batch: 'privatelink.batch.azure.com'
  registry: 'privatelink.azurecr.io'
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for key in zoneKeys: {
    name: zoneNames[key]
    location: 'global'
    tags: tags
  }
]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (key, i) in zoneKeys: {
    parent: zones[i]
    name: 'link'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: vnetId
      }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for target in targets: {
    name: 'pe-${target.name}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: target.name
          properties: {
            privateLinkServiceId: resourceId(target.resourceType, target.resourceName)
            groupIds: [target.group]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (target, i) in targets: {
    parent: endpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: target.group
          properties: {
            privateDnsZoneId: zones[indexOf(zoneKeys, target.zone)].id
          }
        }
      ]
    }
  }
]
