// The cheapest at rest: no NAT gateway. One address range may upload.
using '../main.bicep'

param environmentName = 'public'
param network = 'public'
param uploadFrom = ['198.51.100.0/24']
