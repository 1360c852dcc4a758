metadata description = 'The virtual network with subnets for the app, the nodes and private endpoints.'

import { networkMode, tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Prefix of the names of the security groups, the NAT gateway and its address.')
param prefix string

@description('Required. Name of the network.')
param name string

@description('Required. How nodes and the app reach the internet.')
param mode networkMode

@description('Optional. Address range of the network; the subnets use its first three /24 blocks.')
param addressPrefix string = '10.60.0.0/16'

// The NAT gateway is by far the largest cost at rest. In mode public the nodes have public addresses instead.
var hasNat = mode != 'public'
var natReference = hasNat ? { id: nat.id } : null
var serviceEndpoints = mode == 'private'
  ? []
  : [
      { service: 'Microsoft.Storage' }
    ]
var denyFromInternet = {
  name: 'DenyFromInternet'
  properties: {
    description: 'Nothing here accepts connections: with simplified node communication the nodes connect to Batch.'
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
    description: 'A compromised node cannot open a shell on another node.'
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
  name: name
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

@description('Resource id of the network.')
output vnetId string = vnet.id

@description('Resource id of the subnet of the Function App.')
output functionsSubnetId string = vnet::functionsSubnet.id

@description('Resource id of the subnet of the nodes.')
output batchSubnetId string = vnet::batchSubnet.id

@description('Resource id of the subnet of the private endpoints.')
output endpointsSubnetId string = vnet::endpointsSubnet.id
