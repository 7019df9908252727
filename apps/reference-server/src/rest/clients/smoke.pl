# A client that OpenAPI::Client (Debian: libopenapi-client-perl) generates from openapi.json.
# usage: smoke.pl OPENAPI_FILE URL API_KEY
# The last line that it prints is a JSON object of what it saw.
use strict;
use warnings;
use Mojo::JSON qw(encode_json);
use OpenAPI::Client;

my ($file, $url, $api_key) = @ARGV;
my $api = OpenAPI::Client->new("file://$file");
$api->base_url(Mojo::URL->new($url));
$api->ua->on(start => sub { $_[1]->req->headers->authorization("Bearer $api_key") });

my %coffee = (amount => 450, currency => 'EUR', customer => 'cus_ok', reference => 'perl');
my ($paid, $again, $reused, $declined) = map { $api->paymentsCreate(@$_)->res } (
  [{'Idempotency-Key' => '"perl-1"', body => {%coffee}}],
  [{'Idempotency-Key' => '"perl-1"', body => {%coffee}}],
  [{'Idempotency-Key' => '"perl-1"', body => {%coffee, amount => 451}}],
  [{'Idempotency-Key' => '"perl-2"', body => {%coffee, customer => 'cus_declined'}}],
);
my $one = $api->paymentsGet({id => $paid->json('/id')})->res;
my $list = $api->paymentsList({limit => 1})->res;
my $order = $api->ordersCreate({'Idempotency-Key' => '"perl-3"', body => {sku => 'lamp', quantity => 1}})->res;
my $status = $api->idempotencyStatus({operationId => $order->headers->header('Idempotency-Operation')})->res;
my $by_key = $api->idempotencyStatusByKey({procedure => 'orders.create', 'Idempotency-Key' => '"perl-3"'})->res;
# Refused by the client itself, from the description: nothing is sent.
my $invalid = $api->paymentsCreate({'Idempotency-Key' => '"perl-4"', body => {amount => 0}});

print encode_json({
  first => [0 + $paid->code, $paid->json('/state')],
  replay => [0 + $again->code, $again->json('/id') eq $paid->json('/id') ? 'same' : 'other',
    $again->headers->header('Idempotency-Replayed')],
  reused => [0 + $reused->code, $reused->json('/code')],
  declined => [0 + $declined->code, $declined->json('/code')],
  get => [0 + $one->code, $one->json('/id') eq $paid->json('/id') ? 'same' : 'other'],
  list => [0 + $list->code, scalar @{$list->json('/payments')}],
  order => [0 + $order->code, $order->json('/sku')],
  status => [0 + $status->code, $status->json('/state')],
  statusByKey => [0 + $by_key->code, $by_key->json('/state')],
  invalid => [$invalid->error->{message}],
}), "\n";
