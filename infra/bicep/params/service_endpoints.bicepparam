// The default network with the address ranges of a company, two uploaders, an operator, alerts, a budget and NFS mounts.
using '../main.bicep'

param environmentName = 'team'
param uploadFrom = ['203.0.113.0/24', '198.51.100.7']
param operateFrom = ['198.51.100.7']
param uploaders = [
  { id: '11111111-1111-1111-1111-111111111111', type: 'Group' }
  { id: '22222222-2222-2222-2222-222222222222', type: 'User' }
]
param operatorPrincipalId = '33333333-3333-3333-3333-333333333333'
param mounts = 'nfs'
param browserUploads = true
param signIn = '00000000-0000-0000-0000-000000000000'
param alertEmails = ['painter@example.org']
param monthlyBudget = 200
param budgetStart = '2026-12-01'
