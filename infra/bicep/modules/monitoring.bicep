metadata description = 'Where logs and metrics go, and who is told.'

import { tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Beginning of the names.')
param prefix string

@description('Required. Mail addresses for alerts.')
param alertEmails string[]

@description('Optional. GB a day after which the workspace takes no more: a loop that logs can\'t run up a bill.')
param dailyQuotaGb int = 1

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${prefix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    workspaceCapping: {
      dailyQuotaGb: dailyQuotaGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${prefix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
  }
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${prefix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: take(prefix, 12)
    enabled: true
    emailReceivers: [for (mail, i) in alertEmails: {
      name: 'mail${i}'
      emailAddress: mail
      useCommonAlertSchema: true
    }]
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Name of the Application Insights component.')
output insightsName string = insights.name

@description('Connection string; it names the place and holds no secret, since local authentication is off.')
output connectionString string = insights.properties.ConnectionString

@description('Resource id of the action group.')
output actionGroupId string = actionGroup.id
