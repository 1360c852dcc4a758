// Private endpoints only, a customer-managed key, and a log of every access to the data account.
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
