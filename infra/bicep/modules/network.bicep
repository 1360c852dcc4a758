metadata description = 'The virtual network: a subnet for the app, one for the nodes, one for private endpoints.'

import { networkMode, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Beginning of the names.')
param prefix string

@description('Required. How nodes and app reach the world.')
param mode networkMode

@description('Optional. Addresses of the network; the subnets take the first three blocks of 256.')
param addressPrefix string = '10.60.0.0/16'

// A NAT gateway is by far the largest cost at rest; in mode public the nodes have addresses of their own instead.
var hasNat = mode != 'public'
var natReference = hasNat ? { id: nat.id } : null
var serviceEndpoints = mode == 'private' ? [] : [
  { service: 'Microsoft.Storage' }
]
var denyFromInternet = {
  name: 'DenyFromInternet'
  properties: {
    description: 'Nothing here is a server: simplified node communication calls out, never in.'
    priority: 4000
    direction: 'Inbound'
    access: 'Deny'
    protocol: '*'
    sourceAddressPrefix: 'Internet'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '*'
  }
}
var denyRemoteShells = {
  name: 'DenyRemoteShells'
  properties: {
    description: 'A node that was taken over finds no way to the next one.'
    priority: 200
    direction: 'Outbound'
    access: 'Deny'
    protocol: 'Tcp'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRanges: ['22', '3389']
  }
}

resource nodesNsg 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-${prefix}-nodes'
  location: location
  tags: tags
  properties: {
    securityRules: [denyFromInternet, denyRemoteShells]
  }
}

resource restNsg 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-${prefix}-rest'
  location: location
  tags: tags
  properties: {
    securityRules: [denyFromInternet]
  }
}

resource natIp 'Microsoft.Network/publicIPAddresses@2025-05-01' = if (hasNat) {
  name: 'pip-${prefix}-nat'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource nat 'Microsoft.Network/natGateways@2025-05-01' = if (hasNat) {
  name: 'ng-${prefix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 10
    publicIpAddresses: [
      { id: natIp.id }
    ]
  }
}

resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-${prefix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 0)
          defaultOutboundAccess: !hasNat
          natGateway: natReference
          networkSecurityGroup: {
            id: restNsg.id
          }
          serviceEndpoints: serviceEndpoints
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'batch'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 1)
          defaultOutboundAccess: false
          natGateway: natReference
          networkSecurityGroup: {
            id: nodesNsg.id
          }
          serviceEndpoints: serviceEndpoints
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 2)
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Disabled'
          networkSecurityGroup: {
            id: restNsg.id
          }
        }
      }
    ]
  }

  resource functionsSubnet 'subnets' existing = {
    name: 'functions'
  }

  resource batchSubnet 'subnets' existing = {
    name: 'batch'
  }

  resource endpointsSubnet 'subnets' existing = {
    name: 'endpoints'
  }
}

@description('Name of the network.')
output name string = vnet.name

@description('Resource id of the network.')
output vnetId string = vnet.id

@description('Subnet of the Function App.')
output functionsSubnetId string = vnet::functionsSubnet.id

@description('Subnet of the nodes.')
output batchSubnetId string = vnet::batchSubnet.id

@description('Subnet of the private endpoints.')
output endpointsSubnetId string = vnet::endpointsSubnet.id
