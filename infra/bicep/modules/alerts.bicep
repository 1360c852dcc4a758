metadata description = 'What a person is told of without looking: poisoned messages, failed runs, a pool in trouble, money.'

import { tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Beginning of the names.')
param prefix string

@description('Required. Log Analytics workspace.')
param workspaceId string

@description('Required. Who is told.')
param actionGroupId string

@description('Required. Batch account that is watched.')
param batchAccountId string

@description('Required. Mail addresses for the budget.')
param alertEmails string[]

@description('Required. Monthly budget; 0 for none.')
param monthlyBudget int

@description('Required. First day of the budget.')
param budgetStart string

@description('Required. Nodes that are meant to be there at all times.')
param minNodes int

var logAlerts = [
  {
    name: 'poison'
    description: 'A message was put on a poison queue: a handler failed five times on it.'
    severity: 2
    query: 'StorageQueueLogs | where OperationName == "PutMessage" and Uri has "-poison/messages"'
  }
  {
    name: 'run-failed'
    description: 'A run ended as failed. The report in the container output says why.'
    severity: 3
    query: 'AppTraces | where Message matches regex @"\\brun [a-z0-9-]+ failed: "'
  }
  {
    name: 'resize'
    description: 'The pool could not be resized: quota, capacity, or a wrong formula.'
    severity: 2
    query: 'AzureDiagnostics | where ResourceProvider == "MICROSOFT.BATCH" and ((OperationName == "PoolResizeCompleteEvent" and column_ifexists("resultCode_s", "Success") !in ("Success", "")) or (OperationName == "PoolAutoScaleEvent" and isnotempty(column_ifexists("error_code_s", ""))))'
  }
]

var poolAlerts = [
  {
    name: 'start-task-failed'
    description: 'A node has no working GPU, or its start task failed for another reason. Such nodes cost and do nothing.'
    metric: 'StartTaskFailedNodeCount'
    window: 'PT15M'
    aggregation: 'Total'
    threshold: 0
  }
  {
    name: 'nodes-for-hours'
    description: 'There were more nodes than the least for six hours on end.'
    metric: 'TotalNodeCount'
    window: 'PT6H'
    aggregation: 'Minimum'
    threshold: minNodes
  }
]

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in logAlerts: {
  name: '${prefix}-${alert.name}'
  location: location
  tags: tags
  properties: {
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    // Before the first line arrives the tables do not exist.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: {
      actionGroups: [actionGroupId]
    }
  }
}]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alert in poolAlerts: {
  name: '${prefix}-${alert.name}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.description
    severity: 2
    enabled: true
    scopes: [batchAccountId]
    evaluationFrequency: 'PT5M'
    windowSize: alert.window
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: alert.name
          criterionType: 'StaticThresholdCriterion'
          metricName: alert.metric
          operator: 'GreaterThan'
          threshold: alert.threshold
          timeAggregation: alert.aggregation
        }
      ]
    }
    actions: [
      { actionGroupId: actionGroupId }
    ]
  }
}]

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = if (monthlyBudget > 0 && !empty(alertEmails)) {
  name: 'budget-${prefix}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      actual80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: alertEmails
      }
      forecast100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: alertEmails
      }
    }
  }
}
