// Nothing but private endpoints, a key of one's own, and every access to the data account logged.
using '../main.bicep'

param environmentName = 'closed'
param network = 'private'
param mounts = 'blobfuse'
param auditData = true
param customerKey = {
  identityId: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/keys/providers/Microsoft.ManagedIdentity/userAssignedIdentities/storage-key'
  vaultUri: 'https://keys.example.org'
  keyName: 'impasto'
}
