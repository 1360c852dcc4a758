metadata description = 'Private endpoints, and the DNS zones in which the network finds them.'

import { privateTarget, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Network that uses the zones.')
param vnetId string

@description('Required. Subnet of the endpoints.')
param subnetId string

@description('Required. What gets an endpoint.')
param targets privateTarget[]

var zoneNames = union(map(targets, target => target.zone), [])

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource zones_link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zoneNames: {
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
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for target in targets: {
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
}]

resource endpoints_zone 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for (target, i) in targets: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.group
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', target.zone)
        }
      }
    ]
  }
  dependsOn: [
    zones
  ]
}]
