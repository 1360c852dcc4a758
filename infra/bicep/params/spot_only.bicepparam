// Spot nodes only: the cheapest rendering, for runs that can wait until Spot capacity is available.
using '../main.bicep'

param environmentName = 'spot'
param pool = {
  maxSpotNodes: 8
  maxDedicatedNodes: 0
  warmMinutes: 0
}
