metadata description = 'Types that main.bicep and its modules share.'

@export()
@description('Tags of a resource: name to value.')
type tagSet = {
  @description('Optional. Value of the tag.')
  *: string
}

@export()
@description('How nodes and the app reach the internet, and which networks reach the accounts.')
type networkMode = 'public' | 'serviceEndpoints' | 'private'

@export()
@description('How every node mounts the containers that hold frames.')
type mountKind = 'none' | 'blobfuse' | 'nfs'

@export()
@description('Size, image and scaling of the GPU pool. Members without a value keep their default.')
type poolOptions = {
  @description('Optional. VM size of a node. Default: Standard_NC4as_T4_v3.')
  vmSize: string?

  @description('Optional. Maximum number of Spot nodes, which are requested first. Default: 4.')
  @minValue(0)
  maxSpotNodes: int?

  @description('Optional. Maximum number of dedicated nodes, which replace Spot nodes that are preempted or unavailable. Default: 2.')
  @minValue(0)
  maxDedicatedNodes: int?

  @description('Optional. Nodes that always run; with 0 an idle pool costs nothing. Default: 0.')
  @minValue(0)
  minNodes: int?

  @description('Optional. Concurrent tasks on one node. They share the first GPU, so more than 1 helps only if one task leaves it idle. Default: 1.')
  @minValue(1)
  taskSlotsPerNode: int?

  @description('Optional. Minutes that one node stays after the last task; 0 for none. Default: 15.')
  @minValue(0)
  warmMinutes: int?

  @description('Optional. Release of the image microsoft-dsvm/ubuntu-hpc. Default: 2404.')
  ubuntuRelease: ('2404' | '2204')?

  @description('Optional. Version of that image: latest, or a fixed version. Default: latest.')
  imageVersion: string?

  @description('Optional. GPU driver. image: the driver of the image (T4, A100, H100). extension: the driver extension (A10). Default: image.')
  gpuDriver: ('image' | 'extension')?

  @description('Optional. Encrypt temporary disks and caches at the host. Requires the subscription feature EncryptionAtHost and a VM size that supports it. Default: false.')
  encryptionAtHost: bool?
}

@export()
@description('Limits of the app. Each member is the app setting of the same name; members without a value keep their default.')
type runLimits = {
  @description('Optional. NCRONTAB schedule of the sweep. Default: every two minutes.')
  sweepSchedule: string?

  @description('Optional. Seconds that a queued batch may wait without a Batch task before the sweep resubmits it. Default: 120.')
  sweepGraceSeconds: int?

  @description('Optional. Maximum number of open runs. Default: 20.')
  maxOpenRuns: int?

  @description('Optional. Maximum number of frames of one run. Default: 200000.')
  maxFrames: int?

  @description('Optional. Maximum number of pixels of a frame or style image. Default: 33177600.')
  maxFramePixels: int?

  @description('Optional. Maximum size of a style image in bytes. Default: 52428800.')
  maxStyleBytes: int?

  @description('Optional. Retries of a failed task by Batch. Default: 2.')
  maxTaskRetries: int?

  @description('Optional. Times that the sweep resubmits a failed task. Default: 1.')
  sweepRetries: int?

  @description('Optional. Wall-clock limit of one attempt of a task in minutes. Default: 60.')
  taskMinutes: int?

  @description('Optional. Hours after which an unfinished run is ended. Default: 48.')
  runHours: int?

  @description('Optional. Size in bytes of the largest video that the function joins itself. Default: 2147483648.')
  joinInFunctionBytes: int?
}

@export()
@description('A user, group or service principal with rights on the containers.')
type person = {
  @description('Required. Object id in Entra ID.')
  id: string

  @description('Required. Type of the principal.')
  type: 'User' | 'Group' | 'ServicePrincipal'
}

@export()
@description('The three ids of a managed identity.')
type identityIds = {
  @description('Required. Resource id.')
  id: string

  @description('Required. Client id, which code passes to request tokens.')
  clientId: string

  @description('Required. Principal id, which role assignments name.')
  principalId: string
}

@export()
@description('A customer-managed key for encryption at rest.')
type customerKeySettings = {
  @description('Required. Resource id of a user-assigned identity with the role Key Vault Crypto Service Encryption User.')
  identityId: string

  @description('Required. URI of the vault that holds the key, https://NAME.vault.azure.net.')
  vaultUri: string

  @description('Required. Name of the key; its newest version is used.')
  keyName: string
}

@export()
@description('A lifecycle rule that deletes old blobs.')
type deleteRule = {
  @description('Required. Name of the container.')
  container: string

  @description('Required. Days after the last change.')
  days: int
}

@export()
@description('Keys of the private DNS zones; endpoints.bicep holds their names.')
type dnsZoneKey = 'blob' | 'queue' | 'table' | 'batch' | 'registry'

@export()
@description('A resource that gets a private endpoint.')
type privateTarget = {
  @description('Required. Name of the endpoint.')
  name: string

  @description('Required. Type of the resource, for example Microsoft.Storage/storageAccounts.')
  resourceType: string

  @description('Required. Name of the resource.')
  resourceName: string

  @description('Required. Sub-resource, for example blob.')
  group: string

  @description('Required. Private DNS zone of the sub-resource.')
  zone: dnsZoneKey
}

@export()
@description('Return a value, or a default if the value is empty. Pipelines pass variables without a value as empty text.')
func orDefault(value string, default string) string => empty(value) ? default : value

@export()
@description('Return the addresses of a list that commas separate. The word none, which the preprovision hook stores for nobody, gives an empty list.')
func addresses(list string) string[] => filter(split(list, ','), item => !contains(['', 'none'], item))
